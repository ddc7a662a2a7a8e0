//! A plugin host: WebAssembly components as steps of a transactional message pipeline.
