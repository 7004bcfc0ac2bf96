. /tmp/h/p2env.sh
NOLOCK=1 timeout 150 $PY /tmp/h/k2.py put nbs/11b_concepts.ipynb 11b 11bc0001 /tmp/h/p2/e11b.py
NOLOCK=1 timeout 85 $PY /tmp/h/k2.py run nbs/solutions/12a_masks_and_losses.ipynb s12a all > /tmp/h/p2/rs12a.log 2>&1
