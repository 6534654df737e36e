"""The command line: results to stdout, progress and messages to stderr.

| file | what is in it |
|---|---|
| `app` | the application, and which module has which command |
| `compiled` | programs that commands compile, kept for later ones |
| `inputs`, `output` | what commands take, and how they print |

Every other module adds commands when it is imported. Signatures of commands are long, because they
are what ``--help`` prints.
"""
