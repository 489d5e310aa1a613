//! `template.yaml`, checked against the code that it deploys and against what an operator may expect of it.

mod calls;
mod grants;
mod queues;
mod routes;
mod settings;
mod tables;
mod yaml;
