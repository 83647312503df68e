"""What a mutation takes when both servers are far away: `python -m bench.latency`.

plan.py      how much of everything, in full and for trying out
far.py       a  mutations until APPLIED and until PROJECTED, at 0, 10 and 50 ms each way
targets.py   what must be reached

The distance is made by distance.py, one folder up, which delays each direction and limits no rate.
"""
