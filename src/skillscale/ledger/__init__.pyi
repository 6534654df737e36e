"""What `__init__` imports when it is asked for."""

from .actual import read_actual as read_actual
from .changes import Diff as Diff
from .changes import diff as diff
from .entry import Entry as Entry
from .entry import make_entry as make_entry
from .judgement import Judgement as Judgement
from .judgement import score as score
from .reading import read_entries as read_entries
from .reading import read_entry as read_entry
