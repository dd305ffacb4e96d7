"""What tests share: small cohorts, files as users have them, real sweeps, a browser."""
