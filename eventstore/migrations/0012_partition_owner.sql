-- Names the run of a processor that marked a partition as running: it does not take its own mark for a crash.
alter table partitions add column owner uuid;
