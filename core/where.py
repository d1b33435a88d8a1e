"""Where in the source an error came from, in two words: for who wrote the strategy.

Who uses it: core.engine, on the trading thread, when a strategy failed. Never: the stack (its lines may quote values).
"""


def where(error: BaseException) -> str:
    """`strategy.py:123`, the innermost place."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}" if trace is not None else "nowhere"
