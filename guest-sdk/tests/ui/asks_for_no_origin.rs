use stagegate_sdk::prelude::*;

#[derive(Entity, Default)]
#[entity("account")]
struct Account {
    name: Field<String>,
}

#[step(PreOperation)]
fn look(_: &mut Create<Account>) -> Result {
    Ok(())
}

plugin!(look, asks(http(GET, "api.example.com")));

fn main() {}
