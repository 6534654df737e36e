"""Small files in the formats of lm-evaluation-harness, made by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def write_json(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def version_4(results: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A file as version 0.4 writes it."""
    return {
        "results": results,
        "config": {"model": "hf", "model_args": "pretrained=org/ant-7b", "limit": None},
        "model_name": "org/ant-7b",
        "date": 1.7e9,
    } | more


def version_3(results: dict[str, Any], shots: int = 5, name: str = "org/ant-7b") -> dict[str, Any]:
    """A file as version 0.3 writes it."""
    arguments = f"pretrained={name},dtype=float16"
    config = {"model": "hf-causal", "model_args": arguments, "num_fewshot": shots}
    return {"results": results, "versions": {}, "config": config}
