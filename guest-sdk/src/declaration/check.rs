//! What a host would refuse to register.

use super::{ImageType, StepDeclaration, same};
use crate::Step;
use crate::context::{Mode, Stage};
use crate::message::Message;

/// Refuses, when the plugin is compiled, what a host would refuse when it is registered. The macros say it better
/// where they can; they cannot see through a type alias.
///
/// ```compile_fail,E0080
/// # use stagegate_sdk::prelude::*;
/// type Every = Create<Record>;
///
/// #[step(PreOperation, changed("name"))]
/// fn on(_: &mut Every) -> Result {
///     Ok(())
/// }
///
/// plugin!(on);
/// # fn main() {}
/// ```
///
/// ```compile_fail,E0080
/// # use stagegate_sdk::prelude::*;
/// #[step(MainOperation, message = "Upsert")]
/// fn on(_: &mut AnyMessage<Record>) -> Result {
///     Ok(())
/// }
///
/// plugin!(on);
/// # fn main() {}
/// ```
pub(crate) const fn checked<S: Step>() -> StepDeclaration {
    let step = S::DECLARATION;
    let own = <S::Message as Message>::NAME;
    let post = matches!(step.stage, Stage::PostOperation);
    assert!(
        !step.message.is_empty(),
        "a step on AnyMessage names its message: #[step(.., message = \"Assign\")]"
    );
    assert!(
        own.is_empty() || same(step.message, own),
        "the argument's type already says which message it is; use AnyMessage with `message = ..`"
    );
    assert!(
        step.filtering_attributes.is_empty() && !step.changed_only || is_one_of(step.message, UPDATES),
        "changed(..) and changed_only filter an Update; no other message changes columns"
    );
    assert!(
        matches!(step.mode, Mode::Synchronous) || post,
        "an asynchronous step runs after the commit: its stage is PostOperation"
    );
    assert!(
        matches!(step.mode, Mode::Asynchronous) || step.jobs.is_default(),
        "a synchronous step has no system jobs, so nothing says how they run"
    );
    assert!(
        !matches!(step.stage, Stage::MainOperation) || !is_one_of(step.message, CORE),
        "MainOperation is the host's own, except for a custom message: a step runs before or after it"
    );
    check_images(&step, post);
    step
}

#[expect(clippy::indexing_slicing, reason = "the index is below the length; `get` is not const here")]
const fn check_images(step: &StepDeclaration, post: bool) {
    let mut index = 0;
    while index < step.images.len() {
        let before = matches!(step.images[index].image_type, ImageType::PreImage);
        assert!(
            step.images[index].relationship.is_none() || same(step.message, "Delete"),
            "children(..) shows what a Delete takes along; no other message has it"
        );
        assert!(
            !is_one_of(step.message, WITHOUT_IMAGES),
            "the message has no images, so before(..) and after(..) have nothing to show"
        );
        assert!(
            !(before && is_one_of(step.message, CREATES)),
            "there is no record before a Create, so before(..) has nothing to show"
        );
        assert!(
            before || !is_one_of(step.message, DELETES),
            "there is no record after a Delete, so after(..) has nothing to show"
        );
        assert!(before || post, "after(..) needs the stage PostOperation");
        index += 1;
    }
}

const CREATES: &[&str] = &["Create", "CreateMultiple"];
const UPDATES: &[&str] = &["Update", "UpdateMultiple"];
const DELETES: &[&str] = &["Delete", "DeleteMultiple"];
const WITHOUT_IMAGES: &[&str] = &["Retrieve", "RetrieveMultiple", "Associate", "Disassociate"];

/// The platform's messages, whose main operation is the host's.
const CORE: &[&str] = &[
    "Create",
    "Retrieve",
    "RetrieveMultiple",
    "Update",
    "Delete",
    "Upsert",
    "Associate",
    "Disassociate",
    "Assign",
    "SetState",
    "CreateMultiple",
    "UpdateMultiple",
    "UpsertMultiple",
    "DeleteMultiple",
    "ExecuteTransaction",
    "ExecuteMultiple",
];

const fn is_one_of(name: &str, mut names: &[&str]) -> bool {
    while let [first, rest @ ..] = names {
        if same(name, first) {
            return true;
        }
        names = rest;
    }
    false
}
