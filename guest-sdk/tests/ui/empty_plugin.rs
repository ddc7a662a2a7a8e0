use stagegate_sdk::prelude::*;

plugin!();

fn main() {}
