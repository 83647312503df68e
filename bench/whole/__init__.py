"""The whole system under load, through GraphQL, as its users would: `make load`.

plan.py        what a run does
timeline.py    what users, watchers and the system did, on one clock
users.py       the users: mutations at a rate, each sent again until it has an outcome
watchers.py    the watchers: subscribers of all events
driving.py     users and watchers as processes, whose lines are read as they come
system.py      the servers and the parts as processes, which can be killed and come back
sampling.py    how far each part is behind, what each process uses, how the store grows
picture.py     what a terminal shows meanwhile
stages.py      up to saturation; to more and more watchers; steadily, with faults
figures.py     what follows from a timeline: rates, percentiles, gaps
charts.py      lines over two axes, as SVG
results.py     what a run found, and its tables
page.py        the report: one page, its pictures, its figures as JSON
"""
