-- The commands that a subject has sent, by number: a viewer lists its own.
create index commands_sender on commands ((guards -> 'sender' ->> 'subject'), number)
    where guards -> 'sender' ->> 'subject' is not null;
