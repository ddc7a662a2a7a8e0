use stagegate_sdk::prelude::*;

#[step(PreOperation)]
fn on(_: &mut Update<Record>) -> Result {
    Ok(())
}

plugin!(onn);

fn main() {}
