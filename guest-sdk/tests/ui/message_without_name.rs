use stagegate_sdk::prelude::*;

#[derive(Entity, Default)]
#[entity("account")]
struct Account {
    name: Field<String>,
    creditlimit: Field<Money>,
}

#[derive(CustomMessage)]
struct Approve {
    amount: Money,
}

fn main() {}
