use stagegate_sdk::prelude::*;

#[derive(Entity, Default)]
#[entity("account")]
struct Account {
    name: Field<String>,
}

fn on(_: &mut Update<Account>) -> Result {
    Ok(())
}

plugin!(on);

fn main() {}
