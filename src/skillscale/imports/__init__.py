"""What others write, as tables: results of harnesses, dumps of leaderboards, tables of any shape.

| file | what is in it |
|---|---|
| `aliases` | what benchmarks are called, with metrics and shots as the shipped scores have them |
| `benchmark_rows` | what is known of benchmarks, shipped or not |
| `known_models` | models of the shipped table, by name on the hub |
| `quantities` | percentages, `7B` and `10T`, and what a name says of size and tuning |
| `report` | what was taken for what, assumptions and doubts |
| `sheet` | files of cells: commas, semicolons, tabs, Markdown, XLSX, parquet |
| `results`, `aggregates`, `harness` | lm-evaluation-harness: files, scores out of tasks, models |
| `additions` | new scores beside those that a file or table has already |
| `dump`, `repeats`, `leaderboard` | dumps of the Open LLM Leaderboard, and which row counts |
| `score_cells` | numbers in cells, and the unit of a column: of dumps as of any table |
| `shapes` | tables with benchmarks in rows, or a score per row, turned |
| `wide`, `score_columns` | tables of any shape, and their columns of scores |
| `model_rows`, `draft` | models with all that a table needs, and the three files of a table |

Nothing is guessed without a sentence about it, and what is doubted is named.
"""
