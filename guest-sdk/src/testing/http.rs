//! Calls by HTTP in a native test.

use std::rc::Rc;

use super::Fake;
use super::current::current;
use crate::http::{HttpRequest, HttpResponse};
use crate::{Fault, Result, code};

/// Who answers calls.
pub(super) type Responder = Rc<dyn Fn(&HttpRequest) -> Result<HttpResponse>>;

impl Fake {
    /// Answers the calls by HTTP of the steps to come. Without it, they are not granted.
    pub fn answer_http(&self, answer: impl Fn(&HttpRequest) -> Result<HttpResponse> + 'static) {
        self.world.borrow_mut().responder = Some(Rc::new(answer));
    }
}

/// Answers a call of the step that runs on this thread.
pub(crate) fn answer(request: &HttpRequest) -> Result<HttpResponse> {
    let responder = current().and_then(|world| world.borrow().responder.clone());
    match responder {
        Some(answer) => answer(request),
        None => {
            let text = format!(
                "The fake does not grant the call `{} {}`: answer it with `Fake::answer_http`.",
                request.method(),
                request.url()
            );
            Err(Fault::new(text).with_code(code::CAPABILITY_DENIED))
        }
    }
}
