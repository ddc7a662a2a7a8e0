//! `wasi:http/outgoing-handler`: WASI's implementation, with a refusal in front of it.
//!
//! That makes a task of each call, refused ones too, and the guest may keep what stands for it. Whoever calls on and on would
//! have thousands of them, and keep two processors busy: so a run has only so many, and then its calls fail where they are
//! made, after a pause.

use std::time::Duration;

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_http::p2::bindings::http::outgoing_handler::Host as _;
use wasmtime_wasi_http::p2::bindings::http::types::{
    self, ErrorCode, Host as _, LinkOptions, OutgoingRequest, RequestOptions,
};
use wasmtime_wasi_http::p2::types::HostFutureIncomingResponse;
use wasmtime_wasi_http::{WasiHttp, WasiHttpView as _};

use crate::wasm::run::State;

/// The interface, whose versions that begin with 0.2 are one for a linker.
const INTERFACE: &str = "wasi:http/outgoing-handler@0.2.0";

/// How long a call takes that is one too many, so that a guest does not spend its time on them.
const PAUSE: Duration = Duration::from_millis(1);

/// What comes of `handle`.
type Handled = Result<Resource<HostFutureIncomingResponse>, ErrorCode>;

/// Defines the interfaces of HTTP.
pub(in crate::wasm) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    types::add_to_linker::<_, WasiHttp>(linker, &LinkOptions::default(), State::http)?;
    linker.instance(INTERFACE)?.func_wrap_async("handle", |store, asked| Box::new(handle(store, asked)))
}

async fn handle(
    mut store: StoreContextMut<'_, State>,
    (request, options): (Resource<OutgoingRequest>, Option<Resource<RequestOptions>>),
) -> wasmtime::Result<(Handled,)> {
    let spent = store.data().calls_spent();
    let mut http = store.data_mut().http();
    if let Some(problem) = spent {
        http.table.delete(request)?;
        tokio::time::sleep(PAUSE).await;
        return Ok((Err(ErrorCode::InternalError(Some(problem))),));
    }
    let handled = http.handle(request, options);
    Ok((handled.map_or_else(|error| http.convert_error_code(error).map(Err), |call| Ok(Ok(call)))?,))
}
