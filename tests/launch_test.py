"""Launch files and Dockerfiles: their schemas, and what they name is there."""

import math
import pathlib
import re
import subprocess

import jsonschema
import pytest
import yaml

from mem_alpha_jax.config import command

ROOT = pathlib.Path(__file__).resolve().parents[1]
LAUNCH = ROOT / 'configs' / 'launch'
FILES = sorted(LAUNCH.iterdir())
DOCKER = sorted((ROOT / 'docker').iterdir())
FLAGS = {
  name
  for path in ('config/command.py', 'system/cluster.py')
  for name in re.findall(
    r"DEFINE_\w+\('(\w+)'", (ROOT / 'mem_alpha_jax' / path).read_text()
  )
}
SHELL = [path for path in FILES if path.suffix in ('.sh', '.sbatch')]

TEXT, COUNT, SWITCH = (
  {'type': 'string'},
  {'type': 'integer'},
  {'type': 'boolean'},
)


def record(required=(), **fields):
  """A JSON object of these fields and no others."""
  return {
    'type': 'object',
    'properties': fields,
    'required': list(required),
    'additionalProperties': False,
  }


def rows(item):
  return {'type': 'array', 'items': item, 'minItems': 1}


_MOUNT = record(['name', 'mountPath'], name=TEXT, mountPath=TEXT)
_TABLE = {'type': 'object', 'additionalProperties': TEXT}
_POD = record(
  ['containers', 'restartPolicy'],
  restartPolicy={'enum': ['Never', 'OnFailure']},
  terminationGracePeriodSeconds=COUNT,
  nodeSelector=_TABLE,
  containers=rows(
    record(
      ['name', 'image'],
      name=TEXT,
      image=TEXT,
      command=rows(TEXT),
      resources=record(limits={'additionalProperties': COUNT}),
      volumeMounts=rows(_MOUNT),
    )
  ),
  volumes=rows(
    record(
      ['name'],
      name=TEXT,
      persistentVolumeClaim=record(['claimName'], claimName=TEXT),
    )
  ),
)
# Of jobset.x-k8s.io/v1alpha2, as its reference has it: what we use of it.
JOBSET = record(
  ['apiVersion', 'kind', 'metadata', 'spec'],
  apiVersion={'const': 'jobset.x-k8s.io/v1alpha2'},
  kind={'const': 'JobSet'},
  metadata=record(['name'], name={'pattern': '^[a-z]([-a-z0-9]*[a-z0-9])?$'}),
  spec=record(
    ['replicatedJobs'],
    failurePolicy=record(
      maxRestarts=COUNT,
      restartStrategy={'enum': ['Recreate', 'BlockingRecreate']},
    ),
    network=record(enableDNSHostnames=SWITCH, subdomain=TEXT),
    replicatedJobs=rows(
      record(
        ['name', 'template'],
        name=TEXT,
        replicas=COUNT,
        template=record(
          ['spec'],
          spec=record(
            ['template'],
            backoffLimit=COUNT,
            completionMode={'enum': ['Indexed', 'NonIndexed']},
            completions=COUNT,
            parallelism=COUNT,
            template=record(['spec'], spec=_POD),
          ),
        ),
      )
    ),
  ),
)
SBATCH = {
  'job-name': r'[\w-]+', 'nodes': r'\d+', 'ntasks-per-node': r'\d+',
  'gpus-per-node': r'\d+', 'cpus-per-task': r'\d+', 'requeue': '',
  'time': r'\d+:\d\d:\d\d', 'signal': r'(B:)?[A-Z]+@\d+',
  'open-mode': 'append|truncate', 'output': r'[\w%.-]+',
}  # fmt: skip


def test_the_jobset_has_its_schema_and_a_process_on_each_host():
  found = yaml.safe_load((LAUNCH / 'jobset.yaml').read_text())
  jsonschema.validate(found, JOBSET)
  job = found['spec']['replicatedJobs'][0]['template']['spec']
  pod = job['template']['spec']
  topology = pod['nodeSelector']['cloud.google.com/gke-tpu-topology']
  chips = math.prod(map(int, topology.split('x')))
  (container,) = pod['containers']
  each = container['resources']['limits']['google.com/tpu']
  assert job['completions'] == job['parallelism'] == chips // each
  config = command.load('configs/tpu_v4.py')
  assert config.mesh.data * config.mesh.fsdp * config.mesh.tensor == chips
  program, *given = container['command']
  assert program == 'mem-alpha'
  assert {*re.findall(r'--(\w+)', ' '.join(given))} <= FLAGS
  mounts = {mount['name'] for mount in container['volumeMounts']}
  assert mounts == {volume['name'] for volume in pod['volumes']}


def test_directives_of_slurm():
  text = (LAUNCH / 'slurm.sbatch').read_text()
  found = re.findall(r'^#SBATCH (.*)$', text, re.M)
  for line in found:
    name, _, value = line.removeprefix('--').partition('=')
    assert re.fullmatch(SBATCH[name], value), line
  # They are read before the first command alone.
  assert text.rindex('#SBATCH') < text.index('\nset ')
  given = dict(line.removeprefix('--').partition('=')[::2] for line in found)
  gpus = int(given['nodes']) * int(given['gpus-per-node'])
  config = command.load('configs/gpu_h100.py')
  assert config.mesh.data * config.mesh.fsdp * config.mesh.tensor == gpus
  assert given['ntasks-per-node'] == given['gpus-per-node']


@pytest.mark.parametrize('path', SHELL, ids=lambda path: path.name)
def test_scripts_are_bash_and_stop_without_what_they_need(path):
  subprocess.run(['bash', '-n', path], check=True)
  if path.suffix == '.sh':
    done = subprocess.run(
      ['/bin/bash', path],
      capture_output=True,
      text=True,
      env={'PATH': '/nowhere'},
    )
    assert done.returncode and 'PROJECT: project of' in done.stderr


@pytest.mark.parametrize('path', FILES + DOCKER, ids=lambda path: path.name)
def test_configs_and_flags_that_they_name_are_there(path):
  text = path.read_text()
  for config in re.findall(r'configs/\w+\.py', text):
    assert (ROOT / config).is_file(), config
  for line in re.findall(r'mem-alpha (--config.*)', text):
    assert {*re.findall(r'--(\w+)', line)} <= FLAGS, line


@pytest.mark.parametrize('path', DOCKER, ids=lambda path: path.name)
def test_what_dockerfiles_copy_and_install_is_there(path):
  text = path.read_text()
  for line in re.findall(r'^COPY (.*)$', text, re.M):
    assert all((ROOT / name).exists() for name in line.split()[:-1]), line
  (extras,) = re.findall(r'^ARG EXTRAS=(.*)$', text, re.M)
  setup = (ROOT / 'setup.py').read_text()
  assert all(f"'{extra}':" in setup for extra in extras.split(','))
