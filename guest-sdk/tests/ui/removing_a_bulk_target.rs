use stagegate_sdk::prelude::*;

#[derive(Entity, Default)]
#[entity("account")]
struct Account {
    name: Field<String>,
    creditlimit: Field<Money>,
}

#[step(PreOperation)]
fn on(ctx: &mut UpdateMultiple<Account>) -> Result {
    ctx.targets.pop();
    Ok(())
}

fn main() {}
