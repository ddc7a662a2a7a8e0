//! What a host and its asynchronous service promise when PostgreSQL, the way to it, or another host on it breaks down.

mod cuts;
mod killed_host;
mod killed_server;
mod starts;
mod support;
