import { Argument, Command } from 'commander'
import { CONFIG_KINDS, configJsonSchema, type ConfigKind } from '../../config/json-schema.ts'

/** `elenchus schema`: for editors. */
export function schemaCommand(): Command {
  return new Command('schema')
    .description('print the JSON Schema of a configuration file, with which editors complete and check it')
    .addArgument(new Argument('<pipeline>', 'kind of configuration').choices(CONFIG_KINDS))
    .addHelpText(
      'after',
      '\nExample:\n  elenchus schema oak > oak.schema.json\n\n' +
        'First line of a configuration that uses it:\n  # yaml-language-server: $schema=oak.schema.json',
    )
    .action((pipeline: ConfigKind) => {
      process.stdout.write(`${JSON.stringify(configJsonSchema(pipeline), undefined, 2)}\n`)
    })
}
