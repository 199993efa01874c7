"""A second reader of Basalt's data directories, written from the byte tables in `../spec` and nothing else.

It shares no code with Basalt. Offsets, sizes and numbers are read from the tables themselves when the program
starts (`tables`), so a table that is wrong makes a reader that is wrong, and continuous integration compares what
it reads with what the engine answers. What the tables do not say in columns is here in words of the same pages.

It only reads, trusts nothing, and is slow: a proof, not a tool. `python -m basalt_reader --help`.
"""
