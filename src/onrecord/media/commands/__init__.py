"""The commands of the control process, by what they are about.

Each may be repeated: it then changes nothing and answers the same. One that fails raises OSError
or LookupError, and the control process is told so.
"""
