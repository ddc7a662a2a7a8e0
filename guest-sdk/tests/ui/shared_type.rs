use stagegate_sdk::prelude::*;

#[step(PreOperation)]
fn on(ctx: &mut Create<Record>) -> Result {
    ctx.share(5)
}

fn main() {}
