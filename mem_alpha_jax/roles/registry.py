"""The roles by name. Adding one is a file with its Role, and a line here."""

from mem_alpha_jax.roles import role, writer

ROLES: dict[str, role.Role] = {'writer': writer.ROLE}
