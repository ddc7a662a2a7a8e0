use stagegate_sdk::prelude::*;

#[derive(Entity, Default)]
struct Account {
    name: Field<String>,
}

fn main() {}
