"""Views: the searchable forms of an index's passages, a module each.

`protocol` says what a view is; `registry` finds it by the section of the recipe that asks for it.
"""
