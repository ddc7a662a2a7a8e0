use stagegate_sdk::prelude::*;

#[derive(Entity, Default)]
#[entity("account")]
struct Account {
    name: Field<String>,
    creditlimit: Field<Money>,
}

#[derive(Response)]
struct Approved {
    #[target]
    account: Ref<Account>,
}

fn main() {}
