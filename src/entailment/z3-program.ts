/**
 * What the Z3 process runs. A string, because Node must run it as it is from the sources and from the built package
 * alike, without a build step of its own. Its first argument is the path of `z3-solver`.
 *
 * It answers `{id, script, rlimit}` with `{id, result, reason}` (1 satisfiable, -1 not, 0 unknown and why) or
 * `{id, error}`, one at a time, and ends when its parent does. Every question has a context of its own, so that an
 * answer does not depend on the questions before it.
 *
 * The simple solver decides these questions as the default one does, in a third of the time (no tactics to set up).
 *
 * The script goes through `solver_from_string`, which copies it: the asynchronous `eval_smtlib2_string` of z3-solver 5.2
 * reads it from a stack frame that is gone by then, and now and then answers another question than was asked.
 */
export const Z3_PROGRAM = `
'use strict'
const ready = require(process.argv[1]).init().then(({ Z3 }) => Z3)
ready.then(
  () => process.send({ ready: true }),
  (error) => { process.send({ failed: String(error) }, () => process.exit(1)) },
)

async function answer(Z3, script, rlimit) {
  const config = Z3.mk_config()
  const context = Z3.mk_context_rc(config)
  Z3.del_config(config)
  const solver = Z3.mk_simple_solver(context)
  Z3.solver_inc_ref(context, solver)
  const params = Z3.mk_params(context)
  Z3.params_inc_ref(context, params)
  try {
    Z3.params_set_uint(context, params, Z3.mk_string_symbol(context, 'rlimit'), rlimit)
    Z3.solver_set_params(context, solver, params)
    Z3.solver_from_string(context, solver, script)
    const code = Z3.get_error_code(context)
    if (code !== 0) return { error: Z3.get_error_msg(context, code) }
    const result = await Z3.solver_check(context, solver)
    return { result, reason: result === 0 ? Z3.solver_get_reason_unknown(context, solver) : '' }
  } finally {
    Z3.params_dec_ref(context, params)
    Z3.solver_dec_ref(context, solver)
    Z3.del_context(context)
  }
}

process.on('message', async ({ id, script, rlimit }) => {
  try {
    process.send({ id, ...(await answer(await ready, script, rlimit)) })
  } catch (error) {
    process.send({ id, crash: String(error) })
  }
})
process.on('disconnect', () => process.exit(0))
`
