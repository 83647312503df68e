"""The feed: events for subscribers.

fan_out.py      a fan-out group: subscribers of the same events share one rendering of each
groups.py       the fan-out groups of a feed
catch_up.py     read past events from Postgres for a subscriber behind the tail
keeping_up.py   whether the feed has what the log has
feed.py         past events, then live events, without a gap
"""
