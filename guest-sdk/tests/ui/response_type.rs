use stagegate_sdk::prelude::*;

#[derive(Entity, Default)]
#[entity("account")]
struct Account {
    name: Field<String>,
    creditlimit: Field<Money>,
}

#[derive(CustomMessage)]
#[message("sg_Approve", response = Account)]
struct Approve {
    amount: Money,
}

fn main() {}
