"""What every use of transformers' `Trainer` here shares: its chance, its folder of checkpoints, its voice."""
