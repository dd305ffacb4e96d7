"""What the TCGA Clinical Data Resource says of each TCGA project: outcomes, and who collected.

Computed from the resource's table (Liu et al., "An Integrated TCGA Pan-Cancer Clinical Data
Resource to Drive High-Quality Survival Outcome Analytics", Cell 173:400, 2018, Table S1, sheet
TCGA-CDR): redacted patients and those without time or status are left out, months are 365.25 / 12
days. A test with the real file computes both tables again.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from tasks.data.cohort import ENDPOINTS
from tasks.data.split_files import find_barcode

_KNOWN_SITES = 0.9


@dataclass(frozen=True)
class PublishedOutcome:
    """An endpoint of a project.

    Attributes:
        n_patients: Patients with time and status.
        n_events: Events among them.
        event_months: Median time of the events.
        censored_months: Median time of the censored patients.
    """

    n_patients: int
    n_events: int
    event_months: float
    censored_months: float

    @property
    def rate(self) -> float:
        """Events per patient."""
        return self.n_events / self.n_patients


# For each of OS, DSS, DFI and PFI: patients, events, median months to event, to censoring.
_OUTCOMES = """
ACC  |   92  34  18.1  47.8 |   90  30  18.0  47.8 |   53  14  20.0  61.0 |   92  49   8.1  49.2
BLCA |  408 178  13.6  21.0 |  394 121  13.6  19.4 |  189  32  14.8  19.1 |  409 175  10.0  17.8
BRCA | 1091 151  41.8  25.0 | 1072  83  32.6  26.0 |  947  84  25.4  25.0 | 1091 145  26.0  25.0
CESC |  307  71  19.9  22.6 |  303  54  18.0  23.0 |  176  26  15.9  28.3 |  307  71  13.6  21.7
CHOL |   45  22  18.0  30.1 |   42  18  18.3  28.3 |   28  10   7.1  25.3 |   45  23   7.1  22.4
COAD |  457 102  13.3  24.0 |  441  64  11.1  24.0 |  190  24  16.0  29.3 |  457 123  12.0  22.3
DLBC |   48   9  19.5  31.1 |   48   4  16.2  29.2 |   28   4 113.7  31.4 |   48  12  10.3  29.2
ESCA |  185  77  11.5  13.2 |  183  51  13.5  12.9 |   89  23   7.4  13.2 |  185  87   8.8  12.6
GBM  |  595 490  12.6   8.5 |  554 444  12.7   8.4 |    3   2  31.5  26.3 |  595 505   6.1   5.9
HNSC |  527 223  14.1  27.9 |  501 130  13.5  25.9 |  133  28   7.6  27.5 |  527 198   9.4  25.7
KICH |  112  12  24.3  54.2 |  112   9  28.1  51.0 |   71   6  52.7  39.6 |  112  16  11.9  49.7
KIRC |  537 177  26.9  47.8 |  525 110  23.2  46.4 |  117  15  29.6  45.4 |  535 160  13.5  43.0
KIRP |  290  44  21.1  25.4 |  286  28  14.2  26.0 |  184  28  15.5  25.4 |  289  57  11.0  25.5
LAML |  186 120   9.0  23.0 |    0   0     -     - |    0   0     -     - |    0   0     -     -
LGG  |  514 125  26.7  20.7 |  506 113  25.5  20.7 |  133  20  19.6  20.1 |  514 192  15.3  18.7
LIHC |  375 131  13.7  21.3 |  366  80  19.8  19.7 |  321 146   8.9  17.6 |  375 184   8.9  15.6
LUAD |  513 184  20.3  22.0 |  478 113  19.9  21.8 |  306  92  15.7  22.5 |  513 210  14.4  20.0
LUSC |  498 215  18.1  24.9 |  446  89  18.8  22.5 |  303  63  18.0  26.9 |  499 148  14.0  21.1
MESO |   86  73  15.0  38.4 |   66  43  14.7  24.9 |   15   7  15.5   9.8 |   84  59  10.3  19.4
OV   |  538 322  35.5  26.4 |  502 276  35.4  28.2 |  267 183  18.0  26.3 |  538 379  14.6  13.6
PAAD |  185 100  12.9  17.0 |  178  79  13.8  15.9 |   69  23  14.8  15.7 |  185 110  11.2  13.8
PCPG |  179   6  14.9  25.2 |  179   4  17.5  25.0 |  160   4  27.3  24.5 |  179  21  19.9  23.8
PRAD |  500  10  36.2  30.5 |  498   5  43.7  30.5 |  340  30  24.9  30.4 |  500  93  18.4  28.2
READ |  170  26  22.0  20.0 |  164  15  20.0  20.0 |   48   7  27.8  21.0 |  170  39  19.0  19.0
SARC |  261  99  21.3  35.9 |  255  81  22.6  34.9 |  153  67  11.2  36.5 |  261 139  10.1  32.7
SKCM |  455 214  35.3  36.9 |  449 188  36.6  34.3 |    0   0     -     - |  456 308  23.5  22.7
STAD |  437 169  11.3  17.2 |  410 101  12.4  16.1 |  257  46  10.8  18.6 |  439 143   9.5  13.8
TGCT |  134   4  18.6  41.6 |  134   3  16.9  41.7 |  105  27  14.8  31.8 |  134  35   9.1  35.6
THCA |  507  16  33.5  31.0 |  501   7  33.5  31.0 |  358  26  16.2  31.9 |  507  52  16.0  30.9
THYM |  123   9  28.0  41.6 |  123   4  54.9  41.2 |    0   0     -     - |  123  22  25.2  41.2
UCEC |  546  91  23.3  31.3 |  544  60  21.9  30.7 |  426  57  17.1  30.7 |  546 124  16.8  29.8
UCS  |   57  35  17.1  27.2 |   55  31  14.7  26.9 |   27  10  16.6  27.2 |   57  37   9.0  26.9
UVM  |   80  23  19.9  27.0 |   80  21  19.9  27.0 |    0   0     -     - |   79  29  12.5  25.0
"""

# Every tissue-source site belongs to one project.
_SITES = """
ACC: OR OU P6 PA PK
BLCA: 2F 4Z 5N BL BT C4 CF CU DK E5 E7 FD FJ FT G2 GC GD GU GV H4 HQ K4 KQ LC LT MV PQ R3 S5 SY
  UY XF YC YF ZF
BRCA: 3C 4H 5L 5T A1 A2 A7 A8 AC AN AO AQ AR B6 BH C8 D8 E2 E9 EW GI GM HN JL LD LL LQ MS OK OL
  PE PL S3 UL UU V7 W8 WT XX Z7
CESC: 2W 4J BI C5 DG DR DS EA EK EX FU GH HG HM IR JW JX LP MA MU MY PN Q1 R2 RA UC VS WL XS ZJ
  ZX
CHOL: 3X 4G W5 W6 WD YR ZD ZH ZU
COAD: 3L 4N 4T 5M A6 AA AD AM AU AY AZ CA CK CM D5 DM F4 G4 NH QG QL RU SS T9 WS
DLBC: FA FF FM G8 GR GS RQ VB
ESCA: 2H IC IG JY KH L5 L7 LN M9 Q9 R6 RE S8 V5 VR X8 XP Z6 ZR
GBM: 02 06 08 12 14 15 16 19 26 27 28 32 41 4W 74 76 81 87 OX RR
HNSC: 4P BA BB C9 CN CQ CR CV CX D6 DQ F7 H7 HD HL IQ KU MT MZ P3 QK RS T2 T3 TN UF UP WA
KICH: KL KM KN KO NP UW
KIRC: 3Z 6D A3 AK AS B0 B2 B4 B8 BP CJ CW CZ DV EU G6 GK MM MW T7
KIRP: 2K 2Z 4A 5P A4 AL AT B1 B3 B9 BQ DW DZ EV F9 G7 GL HE IA IZ J7 KV MH O9 P4 PJ Q2 SX UN UZ
  V9 WN Y8
LAML: AB
LGG: CS DB DH DU E1 EZ F6 FG FN HT HW IK KT P5 QH R8 RY S9 TM TQ VM VV VW W9 WH WY
LIHC: 2V 2Y 3K 4R 5C 5R BC BD BW CC DD ED EP ES FV G3 GJ HP K7 KR LG MI MR NI O8 PD QA RC RG T1
  UB WJ WQ WX XR YA ZP ZS
LUAD: 05 35 38 44 49 4B 50 53 55 62 64 67 69 71 73 75 78 80 83 86 91 93 95 97 99 J2 L4 L9 MN MP
  NJ O1 S2
LUSC: 18 21 22 33 34 37 39 43 46 51 52 56 58 60 63 66 68 6A 70 77 79 85 90 92 94 96 98 J1 L3 LA
  MF NC NK O2 XC
MESO: 3H 3U LK MQ NQ SC SH TS UD UT XT YS ZN
OV: 04 09 10 13 20 23 24 25 29 30 31 36 3P 42 57 59 5X 61 OY VG WR
PAAD: 2J 2L 3A 3E F2 FB FZ H6 H8 HV HZ IB L1 LB M8 OE PZ Q3 RB RL S4 US XD XN YB YH YY Z5
PCPG: P7 P8 PR QR QT RM RT RW RX S7 SA SP SQ SR TT W2 WB XG
PRAD: 2A 4L CH EJ FC G9 H9 HC HI J4 J9 KC KK M7 MG QU SU TK TP V1 VN VP WW X4 XA XJ XK XQ Y6 YJ
  YL ZG
READ: AF AG AH BM CI CL DC DT DY EF EI F5 G5
SARC: 3B 3R DX FX HB HS IE IF IS IW JV K1 KD KF LI MB MJ MO N1 PC PT QC QQ RN SG SI UE VT WK WP
  X2 X6 X9 Z4
SKCM: 3N BF D3 D9 DA EB EE ER FR FS FW GF GN HR IH LH OD QB RP W3 WE XV YD YG Z2
STAD: 3M B7 BR CD CG D7 EQ F1 FP HF HJ HU IN IP KB MX R5 RD SW VQ ZA ZQ
TGCT: 2G 2X 4K S6 SB SN SO VF W4 WZ X3 XE XY YU ZM
THCA: 4C BJ CE DE DJ DO E3 E8 EL EM ET FE FK FY GE H2 IM J8 KS L6 MK QD
THYM: 3G 3Q 3S 3T 4V 4X 5G 5K 5U 5V X7 XH XM XU YT ZB ZC ZL ZT
UCEC: 2E 4E 5B 5S A5 AJ AP AW AX B5 BG BK BS D1 DF DI E6 EC EO EY FI H5 JU K6 KJ KP PG QF QS SJ
  SL
UCS: N5 N6 N7 N8 N9 NA ND NF NG QM QN
UVM: RZ V3 V4 VD WC YZ
"""


def _outcomes(text: str) -> dict[str, dict[str, PublishedOutcome]]:
    table: dict[str, dict[str, PublishedOutcome]] = {}
    for line in text.strip().splitlines():
        project, *groups = line.split("|")
        table[project.strip()] = {}
        for endpoint, group in zip(ENDPOINTS, groups, strict=True):
            n_patients, n_events, *months = group.split()
            if "-" not in months:
                event_months, censored_months = map(float, months)
                table[project.strip()][endpoint] = PublishedOutcome(
                    int(n_patients), int(n_events), event_months, censored_months
                )
    return table


def _sites(text: str) -> dict[str, str]:
    project, owner = "", {}
    for word in text.split():
        if word.endswith(":"):
            project = word[:-1]
        else:
            owner[word] = project
    return owner


PUBLISHED: Mapping[str, Mapping[str, PublishedOutcome]] = _outcomes(_OUTCOMES)
"""Project, for example `BRCA` -> endpoint -> its outcome; an endpoint without data is absent."""

PROJECT_OF_SITE: Mapping[str, str] = _sites(_SITES)
"""Tissue-source site, the second part of a barcode -> project."""

HIGHEST_RATE = max(
    outcome.rate
    for project in PUBLISHED.values()
    for outcome in project.values()
    if outcome.n_patients >= 50
)
"""The highest event rate of any endpoint of a project of at least 50 patients."""


def projects_of(patients: Collection[str]) -> dict[str, str]:
    """The TCGA project of each patient, by tissue-source site.

    Args:
        patients: A cohort's. Where more than a tenth of them are of no site of TCGA they are taken
            for somebody else's (planted cohorts borrow the barcodes' shape), and nobody has one.
    """
    found = {
        patient: project
        for patient in patients
        if (barcode := find_barcode(patient)) and (project := PROJECT_OF_SITE.get(barcode.site))
    }
    return found if len(found) >= _KNOWN_SITES * len(patients) else {}
