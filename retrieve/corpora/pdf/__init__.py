"""PDF files: pages of text as viewers show them, in reading order.

`reader` asks `engine`, a process of its own, for the pages: a library that reads what strangers wrote, in compiled
code, may print, never end, or take its process with it. `layers` finds what the file hides, `line_ends` mends what the
ends of lines did to words.
"""
