//! A closure of a script with all that it needs to be called later: what its top level imported and declared.

use rhai::{
    Dynamic, Engine, EvalAltResult, FnPtr, GlobalRuntimeState, NativeCallContext, Position,
};

use super::isolate::isolated;

/// A closure that can be called when the top level has ended.
#[derive(Clone)]
pub struct Closure {
    /// The closure.
    pub function: FnPtr,
    /// What it sees of its script.
    pub global: GlobalRuntimeState,
}

impl Closure {
    /// A closure as a host function got it.
    pub fn of(call: &NativeCallContext, function: FnPtr) -> Self {
        Self { function, global: call.global_runtime_state().clone() }
    }

    /// How many arguments it takes besides what it captured, up to two.
    pub fn takes(&self) -> usize {
        let (name, captured) = (self.function.fn_name(), self.function.curry().len());
        let has = |count: &usize| {
            self.global.lib.iter().any(|lib| lib.get_script_fn(name, count + captured).is_some())
        };
        (0..=2).find(has).unwrap_or(0)
    }

    /// Calls it with its own copy of what it captured.
    ///
    /// # Errors
    /// What it throws.
    pub fn call_isolated(
        &self,
        engine: &Engine,
        args: impl AsMut<[Dynamic]>,
    ) -> Result<Dynamic, Box<EvalAltResult>> {
        let function = isolated(&self.function);
        Self { function, global: self.global.clone() }.call(engine, args)
    }

    /// Calls it; what it captured is shared with the next call.
    ///
    /// # Errors
    /// What it throws.
    pub fn call(
        &self,
        engine: &Engine,
        args: impl AsMut<[Dynamic]>,
    ) -> Result<Dynamic, Box<EvalAltResult>> {
        let mut global = self.global.clone();
        // Operations count from the start of each call.
        global.num_operations = Default::default();
        let context = NativeCallContext::new_with_all_fields(
            engine,
            "handler",
            None,
            &global,
            Position::NONE,
        );
        self.function.call_raw(&context, None, args)
    }
}
