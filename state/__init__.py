"""The remembering room: what must survive a kill -9. Data files of a run live in this folder too, beside the code."""
