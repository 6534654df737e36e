"""Controlled training runs: IsoFLOP grids, ladders and over-training runs, with their losses."""
