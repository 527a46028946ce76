//! The function that files and flags ask for; a flag wins over a file.

use cloudbox_api_types::NewFunction;
use cloudbox_types::Name;

use super::source::{Content, Source};
use super::{Args, environment};
use crate::Error;

/// The function as it should be; what nobody names is left out, and so left to the service.
///
/// # Errors
/// There is no name, or no valid one, or the environment can't be read.
pub fn function(args: &Args, source: &Source) -> Result<NewFunction, Error> {
    let file = source.settings.clone();
    let named = environment::named(args)?;
    let environment = match (file.environment, named.is_empty()) {
        (Some(variables), _) => Some(variables.into_iter().chain(named).collect()),
        (None, false) => Some(named),
        (None, true) => None,
    };
    Ok(NewFunction {
        name: name(args, source)?,
        description: args.description.clone().or(file.description),
        runtime: args.runtime.clone().or(file.runtime),
        language: Some(source.language.to_string()),
        code: match &source.content {
            Content::Code(code) => Some(code.clone()),
            Content::Package(_) | Content::Image => None,
        },
        // Beside `build` a name is what others call the image.
        image: file.image.filter(|_| file.build.is_none()),
        build: file.build,
        entry_point: args.entry_point.clone().or(file.entry_point),
        handler_style: file.handler_style,
        timeout: args.timeout.or(file.timeout),
        memory: args.memory.or(file.memory),
        cpu: file.cpu,
        tmp_mb: file.tmp_mb,
        pids: file.pids,
        environment,
        dependencies: file.dependencies,
        is_public: args.public.or(file.public),
        expose_errors: file.expose_errors,
        egress: file.egress,
        min_instances: file.min_instances,
        max_instances: file.max_instances,
        concurrency: file.concurrency,
        ..NewFunction::default()
    })
}

fn name(args: &Args, source: &Source) -> Result<String, Error> {
    let name = args.name.as_ref().or(source.name.as_ref()).ok_or_else(|| {
        Error::Usage(format!(
            "no function's name can be made of {}; give one with --name",
            args.path.display()
        ))
    })?;
    match Name::new(name.as_str()) {
        Ok(name) => Ok(name.into()),
        Err(reason) => Err(Error::Usage(format!("the name {name:?} {reason}; give another with --name"))),
    }
}
