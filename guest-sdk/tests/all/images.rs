//! Columns of an image that the step did not ask for.

use std::panic::{AssertUnwindSafe, catch_unwind};

use stagegate_sdk::prelude::*;
use stagegate_sdk::testing::Fake;

#[derive(Entity, Default, Debug, PartialEq)]
#[entity("contract")]
struct Contract {
    title: Field<String>,
    account: Field<String>,
}

fn contract(title: &str, account: &str) -> Contract {
    Contract { title: title.into(), account: account.into() }
}

/// How the step reads the column is in the configuration.
#[step(PostOperation, before(title), after(title))]
fn read(ctx: &mut Update<Contract>) -> Result {
    let (before, after) = (&ctx.before.account, &ctx.after.account);
    match ctx.configuration().unwrap_or_default().as_str() {
        "get" => drop(before.get()),
        "into_option" => drop(before.clone().into_option()),
        "is" => drop(before.is("x")),
        "is_empty" => drop(before.is_empty()),
        "value_or" => drop(before.value_or("x".to_owned())),
        "or_default" => drop(before.or_default()),
        "over" => drop(ctx.target.account.over(before)),
        "after" => drop(after.or_default()),
        "require" => drop(before.require()?),
        _ => {
            assert!(before.is_absent() && !before.is_present() && !before.is_null());
            assert_eq!(before, &Field::absent());
            assert_eq!((ctx.before.title.get(), ctx.after.title.get()), (Some(&"Old".to_owned()), None));
        }
    }
    Ok(())
}

/// What a native test fails with.
fn panic_of(way: &str) -> Option<String> {
    let org = Fake::new();
    let record = org.add(contract("Old", "Acme"));
    // The target has the column, and `over` would not look further.
    let changes = Contract { title: Field::null(), account: "Other".into() };
    let run = AssertUnwindSafe(|| org.with_configuration(way).run::<read>(record, changes).map(drop));
    match catch_unwind(run) {
        Ok(result) => {
            result.unwrap();
            None
        }
        Err(panic) => panic.downcast_ref::<String>().cloned(),
    }
}

#[test]
fn reading_one_fails_the_test_and_says_what_to_add() {
    let text = |image: &str| {
        format!(
            "`account` of `{image}` was not asked for: add it to {image}(..) of the step's #[step] attribute."
        )
    };
    for way in ["get", "into_option", "is", "is_empty", "value_or", "or_default", "over"] {
        assert_eq!(panic_of(way), Some(text("before")), "{way}");
    }
    assert_eq!(panic_of("after"), Some(text("after")));
}

#[test]
fn asking_whether_it_is_there_is_no_reading() {
    assert_eq!(panic_of("look"), None);
}

#[test]
fn requiring_one_is_a_fault() {
    let org = Fake::new();
    let record = org.add(contract("Old", "Acme"));
    let fault = org.with_configuration("require").run::<read>(record, Contract::default()).unwrap_err();
    assert_eq!(
        fault.message(),
        "`account` of `before` was not asked for: add it to before(..) of the step's #[step] attribute."
    );
}

#[step(PreOperation, message = "Create", before(account))]
fn reads_an_image_that_a_create_lacks(ctx: &mut AnyMessage<Contract>) -> Result {
    assert_eq!(ctx.before.account.get(), None);
    let fault = ctx.before.account.require().unwrap_err();
    assert_eq!(fault.message(), "`account` is not in the pre-image, and this step needs it.");
    Ok(())
}

#[test]
fn what_was_asked_for_and_is_not_there_is_no_mistake() {
    Fake::new().run_create::<reads_an_image_that_a_create_lacks>(contract("New", "Acme")).unwrap();
}
