//! Registration as data: manifests, the database's registration, differences and warnings.

mod diff;
mod follow;
mod host;
mod lints;
mod manifest;
