"""One run under other tools' conventions: what each tool does where ours and its figures part ways.

The tools are not called. A convention is a value (which queries count, how ties fall, what a sum is divided by, …),
a tool is a set of them for each measure, and changing one at a time from ours to the tool's says which of them moved a
figure, and by how much. Tests hold each tool's figures against the tool itself.
"""
