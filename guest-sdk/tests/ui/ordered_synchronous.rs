use stagegate_sdk::prelude::*;

#[derive(Entity, Default)]
#[entity("account")]
struct Account {
    name: Field<String>,
    creditlimit: Field<Money>,
}

#[step(PostOperation, ordered)]
fn on(_: &mut Update<Account>) -> Result {
    Ok(())
}

fn main() {}
