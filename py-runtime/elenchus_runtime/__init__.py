"""The PyTorch worker of Elenchus.

It computes and decides nothing: it never grades, never builds a pair and never chooses a reward.
The contract with the orchestrator is `docs/wire.md`.
"""
