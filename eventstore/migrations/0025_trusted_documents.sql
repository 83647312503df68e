-- The documents of GraphQL that the developers of clients have added. id: what a client sends in place of the text.
-- number: greater for each added document, so that the count and the greatest number show each change.
create table trusted_documents (
    id text primary key,
    number bigint generated always as identity,
    text text not null,
    added_at timestamptz not null default now()
);
