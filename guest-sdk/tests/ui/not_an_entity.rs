use stagegate_sdk::prelude::*;

struct Account;

#[step(PreOperation)]
fn on(_: &mut Update<Account>) -> Result {
    Ok(())
}

fn main() {}
