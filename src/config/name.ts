import * as z from 'zod'

/** A name that becomes a part of file names: it can neither leave its folder nor hide in it. */
export const fileNameSchema = z
  .string()
  .max(100, 'must have at most 100 characters')
  .regex(
    /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/,
    'names of files are made of it, so it must consist of letters, digits and ".", "_", "-", and not begin with "."',
  )
