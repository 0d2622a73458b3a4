//! Log lines, which name the call that they are about.

use std::fmt;
use std::io::IsTerminal;

use serde_json::json;
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;

use super::{Call, LogFormat};

/// The lines of a process, written to `writer`.
pub(crate) fn lines<S, W>(format: LogFormat, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    match format {
        LogFormat::Human => {
            let ansi = std::io::stderr().is_terminal();
            lines.with_ansi(ansi).map_event_format(|inner| Naming { inner: inner.with_ansi(ansi), format }).boxed()
        }
        LogFormat::Json => lines.json().flatten_event(true).map_event_format(|inner| Naming { inner, format }).boxed(),
    }
}

/// The lines of another format, with the current call in them.
struct Naming<F> {
    inner: F,
    format: LogFormat,
}

impl<S, N, F> FormatEvent<S, N> for Naming<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let Some(call) = Call::current(|call| named(call, self.format)) else {
            return self.inner.format_event(ctx, writer, event);
        };
        let mut line = String::new();
        self.inner.format_event(ctx, Writer::new(&mut line), event)?;
        let end = match self.format {
            LogFormat::Human => "\n",
            LogFormat::Json => "}\n",
        };
        writer.write_str(line.strip_suffix(end).unwrap_or(&line))?;
        writer.write_str(&call)?;
        writer.write_str(end)
    }
}

/// What a line says of its call, to stand at its end.
fn named(call: &Call, format: LogFormat) -> String {
    let (method, actor, trace_id) = (&call.method.full_name, &call.context.actor, &call.context.trace_id);
    match format {
        LogFormat::Human => format!(" rpc={method} actor={actor:?} trace_id={trace_id}"),
        LogFormat::Json => format!(",\"rpc\":{}", json!({ "method": method, "actor": actor, "trace_id": trace_id })),
    }
}
