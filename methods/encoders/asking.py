"""A transformer layer in which some tokens ask others: those that are asked stay as they are."""

from torch import Tensor, nn


class AskingLayer(nn.Module):
    """Pre-norm cross-attention and a perceptron, each beside what it is given.

    Its cost is linear in the tokens that are asked, and their order is of no consequence.

    Args:
        width: Of a token.
        heads: Of attention; a divisor of `width`.
        dropout: Of attention and of the perceptron.
        ratio: Hidden width of the perceptron over `width`.
    """

    def __init__(self, width: int, heads: int, dropout: float, ratio: int = 4) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, dropout, batch_first=True)
        self.perceptron = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, ratio * width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(ratio * width, width),
        )

    def forward(self, asking: Tensor, tokens: Tensor, hidden: Tensor | None = None) -> Tensor:
        """What is asked, by those who ask, [B, k, width].

        Args:
            asking: [B, k, width].
            tokens: [B, n, width].
            hidden: True where one who asks does not see a token, [k, n].
        """
        queries, keys = self.norm(asking), self.norm(tokens)
        seen, _ = self.attention(queries, keys, keys, attn_mask=hidden, need_weights=False)
        x = asking + seen
        output: Tensor = x + self.perceptron(x)
        return output
