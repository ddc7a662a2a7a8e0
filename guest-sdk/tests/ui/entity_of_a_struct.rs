use stagegate_sdk::prelude::*;

#[derive(Entity, Default)]
#[entity("account")]
struct Account {
    name: Field<String>,
}

#[step(PostOperation, entity = "contact")]
fn on(_: &mut Update<Account>) -> Result {
    Ok(())
}

fn main() {}
