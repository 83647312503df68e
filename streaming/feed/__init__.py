"""The feed: events for subscribers.

fan_out.py      a fan-out group: subscribers of the same events share one rendering of each
catch_up.py     read the past from Postgres for a subscriber behind the tail
feed.py         history and live events, without a seam
"""
