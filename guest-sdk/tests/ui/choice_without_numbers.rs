use stagegate_sdk::prelude::*;

#[derive(Choice)]
enum State {
    Active = 0,
    Inactive,
}

fn main() {}
